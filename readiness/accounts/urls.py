from django.contrib.auth.views import LogoutView
from django.urls import path

from readiness.accounts import views

app_name = "accounts"

urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", views.ChangePassword.as_view(), name="password"),
    path("people/", views.people, name="people"),
    path("people/<int:user_id>/password/", views.new_password, name="new_password"),
    path("people/<int:user_id>/activation/", views.activation, name="activation"),
    path("audit/", views.audit_log, name="audit"),
]
